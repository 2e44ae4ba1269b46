-- Keeps the lease, and buries nodes whose lease has ended: their shards are nobody's, and they can
-- never write again. Answers how far the session came, or who buried it; and who is there and who
-- owns what, if that is not what the caller knows.
-- Arguments: prefix, session, milliseconds of the lease, the view that is known.
local prefix, session, lease_ms, known = unpack(ARGV)
local writer = redis.call('HMGET', prefix .. 'writer:' .. session, 'last', 'buried')
if not writer[1] then return {'fenced', writer[2] or 'nobody'} end

local lease = prefix .. 'lease:' .. session
local kept = redis.call('EXISTS', lease) == 1
redis.call('SET', lease, '1', 'PX', lease_ms)
-- Whoever finds his own lease ended knows nothing of others: it may have been Redis that was away, for
-- all of them. Everybody then gets the time of a lease to be heard of.
if not kept then redis.call('SET', prefix .. 'grace', session, 'PX', lease_ms) end

local members = redis.call('HGETALL', prefix .. 'members')
local gone, found = {}, false
if redis.call('EXISTS', prefix .. 'grace') == 0 then
  for at = 1, #members, 2 do
    if redis.call('EXISTS', prefix .. 'lease:' .. members[at]) == 0 then
      gone[members[at]], found = true, true
    end
  end
end
if found then
  bury(prefix, gone, session)
  redis.call('INCR', prefix .. 'views')
end

local view = redis.call('GET', prefix .. 'views') or '0'
if view == known then return {'at', writer[1], view} end
return {'at', writer[1], view, redis.call('HGETALL', prefix .. 'members'),
  redis.call('HGETALL', prefix .. 'shards')}
