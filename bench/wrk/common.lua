-- What the scripts share. Each thread has its own state, so random choices differ by thread.
local counter = 0

function setup(thread)
   thread:set("number", counter)
   counter = counter + 1
end

tickets = tonumber(os.getenv("TAQUILLA_BENCH_TICKETS"))
headers = { ["Authorization"] = os.getenv("TAQUILLA_BENCH_AUTH"), ["Content-Type"] = "application/json" }

words = { "printer", "vpn", "laptop", "battery", "monitor", "keyboard", "network", "password", "invoice", "account",
   "server", "backup", "mail", "phone", "screen", "update", "license", "router", "cable", "desk" }

-- Makes `count` requests ahead, so that wrk only has to pick one.
function prepare(count, make)
   math.randomseed(number * 7919 + 17)
   local requests = {}
   for i = 1, count do
      requests[i] = make()
   end
   function request()
      return requests[math.random(count)]
   end
end

function word()
   return words[math.random(#words)]
end

function new_ticket()
   local priorities = { "low", "medium", "high", "critical" }
   return string.format('{"title":"%s %s fails on floor %d","description":"Since this morning the %s does not work with the %s. ' ..
      'It stops after some minutes, and then nobody on the floor can go on.","priority":"%s","tags":["%s"]}',
      word(), word(), math.random(30), word(), word(), priorities[math.random(4)], word())
end
