-- Makes the tickets that the measurements read, then stops.
dofile("bench/wrk/common.lua")

function init()
   math.randomseed(number + 1)
   left = math.ceil(tickets / tonumber(os.getenv("TAQUILLA_BENCH_THREADS")))
end

function request()
   return wrk.format("POST", nil, headers, new_ticket())
end

function response(status)
   if status == 201 then
      left = left - 1
      if left <= 0 then
         wrk.thread:stop()
      end
   end
end
