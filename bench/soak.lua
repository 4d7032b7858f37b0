-- Sends requests as they lie in files, in turn, and prints how many were answered: wrk --script soak.lua URL -- FOLDER COUNT

local requests = {}
local next_one = 0

function init(arguments)
  for number = 0, tonumber(arguments[2]) - 1 do
    local file = assert(io.open(arguments[1] .. "/" .. number, "rb"))
    requests[number] = file:read("*a")
    file:close()
  end
end

function request()
  local chosen = requests[next_one]
  next_one = (next_one + 1) % (#requests + 1)
  return chosen
end

function done(summary, _, _)
  local errors = summary.errors
  io.write(string.format(
    "FIGURES %d %d %d\n", summary.requests, errors.connect + errors.read + errors.write + errors.timeout, errors.status
  ))
end
