-- Runs examples/love with the file that is named last. Ends when the example has drawn that the upload is done, and
-- prints the lines drawn last and the number of frames.

local example = assert(loadfile("examples/love/main.lua"))
example()

local drawn, frames, print_text = {}, 0, nil
local draw = love.draw
function love.draw()
  if not print_text then
    print_text = love.graphics.print
    love.graphics.print = function(text, ...)
      drawn[#drawn + 1] = text
      return print_text(text, ...)
    end
  end
  drawn, frames = {}, frames + 1
  draw()
  if drawn[1] ~= "Done" and drawn[1] ~= "It failed" then return end
  print(("%s: %s after many frames: %s"):format(drawn[1], drawn[2], tostring(frames > 30)))
  love.event.quit()
end
