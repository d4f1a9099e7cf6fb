function love.conf(t)
  t.identity = "flarelight-import"
  t.window.title = "flarelight: live import"
  t.window.width, t.window.height = 760, 420
end
