-- Begins a session, or says who keeps it out.
-- Arguments: prefix, node, format, format before, milliseconds of the lease, address, a secret if there
-- is none yet. A node without an address wants the store for itself, and has all shards at once.
local prefix, node, format, before, lease_ms, address, secret = unpack(ARGV)
local found = redis.call('GET', prefix .. 'format')
if found == before then
  -- What changed is who may write; the server of that time holds one lease for all.
  local holder = redis.call('GET', prefix .. 'lease:store')
  if holder and holder ~= node then return {'taken', 'node ' .. holder, ''} end
  redis.call('DEL', prefix .. 'lease:store', prefix .. 'fence:store')
elseif found and found ~= format then
  return {'format', found, ''}
end

-- `state number address`, of each session that is there.
local members = redis.call('HGETALL', prefix .. 'members')
local gone = {}
for at = 1, #members, 2 do
  local session, _, number, other = members[at], string.match(members[at + 1], '^(%S+) (%S+) (%S*)$')
  -- The directory of a node is locked, so an earlier session of the same node has ended.
  if number == node or redis.call('EXISTS', prefix .. 'lease:' .. session) == 0 then
    gone[session] = true
  elseif address == '' or other == '' then
    local where = other ~= '' and ' at ' .. other or ''
    return {'taken', 'node ' .. number .. where, ''}
  end
end

local session = redis.call('INCR', prefix .. 'sessions')
redis.call('SET', prefix .. 'format', format)
redis.call('SETNX', prefix .. 'secret', secret)
bury(prefix, gone, session)
if address == '' then
  for shard = 0, 1023 do redis.call('HSET', prefix .. 'shards', shard, session) end
end
redis.call('HSET', prefix .. 'members', session, 'joining ' .. node .. ' ' .. address)
redis.call('HSET', prefix .. 'writer:' .. session, 'last', 0)
redis.call('SET', prefix .. 'lease:' .. session, node, 'PX', lease_ms)
redis.call('INCR', prefix .. 'views')
return {'open', tostring(session), redis.call('GET', prefix .. 'secret')}
