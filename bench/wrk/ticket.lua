-- One ticket, by a random id.
dofile("bench/wrk/common.lua")

function init()
   prepare(2000, function() return wrk.format("GET", "/api/v1/tickets/" .. math.random(tickets), headers) end)
end
