-- Begins a session that owns the fence `store`, or says who has it.
-- Arguments: prefix, node, format, milliseconds of the lease.
local prefix, node, format, lease_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local found = redis.call('GET', prefix .. 'format')
if found and found ~= format then return {'format', found} end
-- The lease keeps servers apart that were started by mistake; what keeps them from writing over
-- each other is the fence.
local holder = redis.call('GET', prefix .. 'lease:store')
if holder and holder ~= node then return {'taken', holder} end
-- Numbers of sessions are never used twice, so a fence that was lost never comes back.
local session = redis.call('INCR', prefix .. 'sessions')
local before = redis.call('GET', prefix .. 'fence:store')
if before then redis.call('DEL', prefix .. 'writer:' .. before) end
redis.call('SET', prefix .. 'format', format)
redis.call('SET', prefix .. 'fence:store', session)
redis.call('HSET', prefix .. 'writer:' .. session, 'last', 0)
redis.call('SET', prefix .. 'lease:store', node, 'PX', lease_ms)
return {'open', session}
