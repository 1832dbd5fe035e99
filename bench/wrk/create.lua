-- A new ticket, durable when it is answered.
dofile("bench/wrk/common.lua")

function init()
   prepare(500, function() return wrk.format("POST", nil, headers, new_ticket()) end)
end
