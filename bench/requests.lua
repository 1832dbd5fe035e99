-- Sends the requests of a file, drawn at random, others for each number of a run: wrk -s bench/requests.lua URL -- FILE RUN
-- A line is METHOD, tab, path, tab, body. Eight times @ in a line become a number that no other request has.
local counter = 0

function setup(thread)
   thread:set("number", counter)
   counter = counter + 1
end

function init(args)
   -- Both threads of all runs have numbers of their own.
   local own = tonumber(args[2]) * 2 + number
   math.randomseed(own * 7919 + 17)
   -- Of the headers that wrk was given, one is for requests that have content.
   local without = {}
   for name, value in pairs(wrk.headers) do
      if name ~= "Content-Type" then without[name] = value end
   end
   -- Made ahead, so that wrk only has to pick one.
   local requests, marks, count, sent = {}, {}, 0, 0
   for line in io.lines(args[1]) do
      local method, path, body = line:match("^(%S+)\t(%S+)\t?(.*)$")
      count = count + 1
      requests[count] = body ~= "" and wrk.format(method, path, nil, body) or wrk.format(method, path, without)
      marks[count] = requests[count]:find("@@@@@@@@", 1, true) ~= nil
   end
   function request()
      local pick = math.random(count)
      if not marks[pick] then return requests[pick] end
      sent = sent + 1
      return (requests[pick]:gsub("@@@@@@@@", string.format("%08d", (own * 100000 + sent) % 100000000)))
   end
end
