-- A comment on a random ticket, durable when it is answered.
dofile("bench/wrk/common.lua")

function init()
   prepare(2000, function()
      return wrk.format("POST", "/api/v1/tickets/" .. math.random(tickets) .. "/comments", headers,
         string.format('{"content":"The %s works again after the %s was changed."}', word(), word()))
   end)
end
