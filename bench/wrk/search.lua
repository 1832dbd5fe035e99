-- Two words, of which the last is a beginning.
dofile("bench/wrk/common.lua")

function init()
   prepare(400, function() return wrk.format("GET", "/api/v1/tickets?limit=50&q=" .. word() .. "+" .. word():sub(1, 4), headers) end)
end
