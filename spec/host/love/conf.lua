function love.conf(t)
  t.identity = "flarelight-spec"
  t.modules.audio, t.modules.sound, t.modules.joystick, t.modules.physics = false, false, false, false
end
