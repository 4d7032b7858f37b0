-- Asks about several images in turn, and prints one line of figures: wrk --script load.lua URL -- FOLDER COUNT PATH
-- Headers are passed by file too: FOLDER/headers has one name and one value on each pair of lines.

local requests = {}
local next_one = 0

local function content(path)
  local file = assert(io.open(path, "rb"))
  local all = file:read("*a")
  file:close()
  return all
end

function init(arguments)
  local folder, count, path = arguments[1], tonumber(arguments[2]), arguments[3]
  local headers, name = {}, nil
  for line in io.lines(folder .. "/headers") do
    if name then
      headers[name], name = line, nil
    else
      name = line
    end
  end
  for number = 0, count - 1 do
    requests[number] = wrk.format("POST", path, headers, content(folder .. "/" .. number))
  end
end

function request()
  local chosen = requests[next_one]
  next_one = (next_one + 1) % (#requests + 1)
  return chosen
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    "FIGURES %d %d %d %d %d %d\n",
    summary.requests,
    summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout,
    errors.status,
    latency:percentile(50),
    latency:percentile(99)
  ))
end
