-- Another user in each request, of 5,000. Each thread of wrk begins elsewhere.
local number = 0
local threads = 0

function setup(thread)
  thread:set("number", threads * 1777)
  threads = threads + 1
end

function request()
  number = (number + 1) % 5000
  return wrk.format("GET", "/assign?experiment_key=checkout_redesign&user_id=user_" .. number)
end
