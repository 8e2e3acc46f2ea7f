-- The requests of a load, for wrk: bodies put together from the parts of a mix (bench/bodies.py says how they are kept),
-- each with a date of its own, from ten thousand clients by X-Forwarded-For.
--
-- Arguments after --: directory of the mix, path, day (YYYY-MM-DD), number of the first request, which is also its date in
-- milliseconds of that day, mean pause of a connection between two requests in milliseconds (0: none). At the end it prints one line of JSON; times
-- are in microseconds.

local CLIENTS = 10007 -- a prime, so that every chain meets them all
local templates, leaves, order, clients = {}, {}, {}, {}
local head, day, number = "", "", 0

local function lines(path)
  local found = {}
  for line in io.lines(path) do found[#found + 1] = line end
  return found
end

-- Cut a template at its two dates and its two leaves.
local function cut(template)
  local pieces, start = {}, 1
  for _, mark in ipairs({ "@DATE@", "@DATE@", "@LEAF@", "@LEAF@" }) do
    local first, last = template:find(mark, start, true)
    pieces[#pieces + 1] = template:sub(start, first - 1)
    start = last + 1
  end
  pieces[#pieces + 1] = template:sub(start)
  pieces.length = 2 * 24
  for _, piece in ipairs(pieces) do pieces.length = pieces.length + #piece end
  return pieces
end

function init(arguments)
  local directory, path, pause = arguments[1], arguments[2], tonumber(arguments[5])
  day, number = arguments[3], tonumber(arguments[4])
  for _, line in ipairs(lines(directory .. "/templates")) do templates[#templates + 1] = cut(line) end
  for _, line in ipairs(lines(directory .. "/leaves")) do
    local template, leaf = line:match("^(%d+) (.*)$")
    leaves[#leaves + 1] = { template = templates[template + 1], text = leaf }
  end
  for _, line in ipairs(lines(directory .. "/order")) do order[#order + 1] = leaves[line + 1] end
  for client = 0, CLIENTS - 1 do
    clients[client + 1] = ("198.18.%d.%d"):format(math.floor(client / 256), client % 256)
  end
  head = "POST " .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. "\r\nContent-Type: application/json; charset=utf-8\r\n"
    .. "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/70.0.3538.110\r\nX-Forwarded-For: "
  if pause > 0 then
    -- Pauses as between independent clients; wrk takes whole milliseconds, the rest is drawn.
    function delay() return math.floor(-pause * math.log(1 - math.random()) + math.random()) end
  end
end

function request()
  local leaf, client = order[number % #order + 1], clients[number % CLIENTS + 1]
  local p, text = leaf.template, leaf.text
  local seconds = math.floor(number / 1000)
  local date = ("%sT%02d:%02d:%02d.%03dZ"):format(
    day, math.floor(seconds / 3600), math.floor(seconds / 60) % 60, seconds % 60, number % 1000
  )
  number = number + 1
  return head .. client .. "\r\nContent-Length: " .. p.length + 2 * #text .. "\r\n\r\n"
    .. p[1] .. date .. p[2] .. date .. p[3] .. text .. p[4] .. text .. p[5]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(("{\"requests\": %d, \"refused\": %d, \"broken\": %d, \"duration\": %d, \"p50\": %d, \"p99\": %d}\n"):format(
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration, latency:percentile(50), latency:percentile(99)
  ))
end
