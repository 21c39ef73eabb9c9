-- The generic cell rate algorithm as a leaky bucket: level is how many tokens
-- are missing, and it falls at the rate. KEYS[1] is the tenant's bucket, ARGV
-- its rate in a second and its burst. Returns whether a token was taken, and
-- how many there are then.
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local level = 0
-- What is no bucket there, of whatever type, is written over.
local was = redis.pcall('GET', KEYS[1])
if type(was) == 'string' then
  local missing, at, oldrate, oldburst = string.match(was, '^(%S+) (%S+) (%S+) (%S+)$')
  if tonumber(missing) and tonumber(at) and tonumber(oldrate) and tonumber(oldburst) then
    -- The time until now counts at the rate that held; tokens, not the room
    -- for them, outlast a change of the burst.
    level = math.max(0, missing - math.max(0, now - at) * oldrate / 1000000)
    level = math.max(0, level + burst - oldburst)
  end
end
local taken = 0
if level + 1 <= burst + 0.000001 then
  level = level + 1
  taken = 1
end
-- A bucket that is full again is none.
local full = math.min(math.ceil(level / rate * 1000) + 1, 31536000000)
redis.call('SET', KEYS[1], string.format('%.17g %.0f %.17g %.17g', level, now, rate, burst), 'PX', string.format('%.0f', full))
return {taken, string.format('%.17g', burst - level)}
