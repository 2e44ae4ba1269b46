-- Changes what a session is and has: a claim takes what nobody has, a gift leaves its own to another.
-- Arguments: prefix, session, state or '' to keep it, then pairs of a shard and who gets it.
local prefix, session, state = ARGV[1], ARGV[2], ARGV[3]
local writer = redis.call('HMGET', prefix .. 'writer:' .. session, 'last', 'buried')
if not writer[1] then return {'fenced', writer[2] or 'nobody'} end
local members, shards = prefix .. 'members', prefix .. 'shards'
if state ~= '' then
  local rest = string.match(redis.call('HGET', members, session) or '', '^%S+( .*)$')
  if rest then redis.call('HSET', members, session, state .. rest) end
end
for at = 4, #ARGV, 2 do
  local shard, to = ARGV[at], ARGV[at + 1]
  local holder = redis.call('HGET', shards, shard)
  if holder == session or (not holder and to == session) then
    if redis.call('HEXISTS', members, to) == 1 then
      redis.call('HSET', shards, shard, to)
    else
      redis.call('HDEL', shards, shard)
    end
  end
end
redis.call('INCR', prefix .. 'views')
return {'at', writer[1]}
