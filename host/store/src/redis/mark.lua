-- Writes something behind all that the session was told is stored, so that a WAIT on the same
-- connection waits for all of that. Answers how far the session came, or who buried it.
-- Arguments: prefix, session.
local writer = ARGV[1] .. 'writer:' .. ARGV[2]
local state = redis.call('HMGET', writer, 'last', 'buried')
if not state[1] then return {'fenced', state[2] or 'nobody'} end
redis.call('HINCRBY', writer, 'marks', 1)
return {'at', state[1]}
