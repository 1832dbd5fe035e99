-- Sends the requests of a file, drawn at random: wrk -s bench/requests.lua URL -- FILE
-- A line is METHOD, tab, path, tab, body. Eight times @ in a line become a number that no other request has.
local counter = 0

function setup(thread)
   thread:set("number", counter)
   counter = counter + 1
end

function init(args)
   math.randomseed(number * 7919 + 17)
   -- Made ahead, so that wrk only has to pick one.
   local requests, marks, count, sent = {}, {}, 0, 0
   for line in io.lines(args[1]) do
      local method, path, body = line:match("^(%S+)\t(%S+)\t?(.*)$")
      count = count + 1
      requests[count] = wrk.format(method, path, nil, body ~= "" and body or nil)
      marks[count] = requests[count]:find("@@@@@@@@", 1, true) ~= nil
   end
   function request()
      local pick = math.random(count)
      if not marks[pick] then return requests[pick] end
      sent = sent + 1
      return (requests[pick]:gsub("@@@@@@@@", string.format("%08d", number * 10000000 + sent)))
   end
end
