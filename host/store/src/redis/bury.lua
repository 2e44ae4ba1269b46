-- What every script that declares sessions dead begins with.
-- Their shards are nobody's then, and they can never write again.
local function bury(prefix, gone, by)
  local shards = prefix .. 'shards'
  local owned = redis.call('HGETALL', shards)
  for at = 1, #owned, 2 do
    if gone[owned[at + 1]] then redis.call('HDEL', shards, owned[at]) end
  end
  for session in pairs(gone) do
    redis.call('HDEL', prefix .. 'members', session)
    redis.call('DEL', prefix .. 'lease:' .. session, prefix .. 'writer:' .. session)
    redis.call('HSET', prefix .. 'writer:' .. session, 'buried', by)
    redis.call('EXPIRE', prefix .. 'writer:' .. session, 2592000)
  end
end
