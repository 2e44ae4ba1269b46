-- Writes something behind all that the session was told is stored, so that a WAIT on the same
-- connection waits for all of that. Answers how far the session came, or who has the fence.
-- Arguments: prefix, session.
local prefix, session = ARGV[1], ARGV[2]
local holder = redis.call('GET', prefix .. 'fence:store')
if holder ~= session then return {'fenced', holder or 'nobody'} end
local writer = prefix .. 'writer:' .. session
redis.call('HINCRBY', writer, 'marks', 1)
return {'at', redis.call('HGET', writer, 'last') or '0'}
