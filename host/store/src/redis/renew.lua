-- Keeps the lease while the fence is ours. Answers how far the session came, or who has the fence.
-- Arguments: prefix, session, node, milliseconds.
local prefix, session, node, lease_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local holder = redis.call('GET', prefix .. 'fence:store')
if holder ~= session then return {'fenced', holder or 'nobody'} end
redis.call('SET', prefix .. 'lease:store', node, 'PX', lease_ms)
return {'at', redis.call('HGET', prefix .. 'writer:' .. session, 'last') or '0'}
