function love.conf(t)
  t.identity = "flarelight-bench"
  t.window.vsync = 0 -- frames are paced by the clock: a virtual screen has no other
  t.modules.audio, t.modules.sound, t.modules.joystick, t.modules.physics = false, false, false, false
end
