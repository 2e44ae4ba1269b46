-- Ends a session, so that others need not wait for the end of its lease. Arguments: prefix, session.
local prefix, session = ARGV[1], ARGV[2]
local shards, owned = prefix .. 'shards', redis.call('HGETALL', prefix .. 'shards')
for at = 1, #owned, 2 do
  if owned[at + 1] == session then redis.call('HDEL', shards, owned[at]) end
end
redis.call('INCR', prefix .. 'views')
redis.call('HDEL', prefix .. 'members', session)
return redis.call('DEL', prefix .. 'lease:' .. session, prefix .. 'writer:' .. session)
