-- Stores one batch, or says why not. Everything is checked before anything is written.
-- Arguments: prefix, session, number of the batch in the session, batch (see encode.rs).
local prefix, session, number = ARGV[1], ARGV[2], tonumber(ARGV[3])
local batch = cmsgpack.unpack(ARGV[4])
local expectations, appends, deletions, changes = unpack(batch)
-- As many refusals as batches may be on their way at once; see MAX_GROUPS in committer.rs.
local REMEMBERED = 1024

-- A session that was declared dead may not write, whatever it believes.
local writer = prefix .. 'writer:' .. session
local state = redis.call('HMGET', writer, 'last', 'buried')
if state[2] then return {'fenced', state[2]} end
if not state[1] then return {'lost'} end

-- What became of this batch, if it was here before. A batch that overtook another waits for it.
local last = tonumber(state[1])
local slot = 'refused:' .. number % REMEMBERED
if number <= last then
  local packed = redis.call('HGET', writer, slot)
  local refused = packed and cmsgpack.unpack(packed)
  if refused and refused[1] == number then return {refused[2], refused[3], refused[4]} end
  return 1
end
if number > last + 1 then return {'gap', last} end

-- A refusal is an outcome too: it must be the same when it is asked for again.
local function refuse(kind, position, found, remembered)
  redis.call('HSET', writer, 'last', number,
    slot, cmsgpack.pack({number, kind, position, remembered}))
  return {kind, position, found}
end

-- Nor may one write what belongs to another.
local function moved(worker, shard)
  local holder = redis.call('HGET', prefix .. 'shards', shard)
  if holder ~= session then return refuse('moved', worker, holder or 'nobody', holder or 'nobody') end
end
for _, append in ipairs(appends) do
  local refusal = moved(append[1], append[5])
  if refusal then return refusal end
end
for _, deletion in ipairs(deletions) do
  local refusal = moved(deletion[1], deletion[2])
  if refusal then return refusal end
end
for position, append in ipairs(appends) do
  local tail = redis.call('XREVRANGE', prefix .. 'log:' .. append[1], '+', '-', 'COUNT', 1)[1]
  local stored = tail and string.match(tail[1], '^%d+') or '0'
  if tonumber(stored) + 1 ~= tonumber(append[2]) then
    return refuse('conflict', position, stored, stored)
  end
end
for position, expected in ipairs(expectations) do
  local found = redis.call('HGET', prefix .. 'records:' .. expected[1], expected[2])
  -- What was found may be large, and only explains: it is not remembered.
  if found ~= expected[3] then return refuse('unexpected', position, found, false) end
end

redis.call('HSET', writer, 'last', number)
for _, deletion in ipairs(deletions) do redis.call('UNLINK', prefix .. 'log:' .. deletion[1]) end
for _, append in ipairs(appends) do
  redis.call('XADD', prefix .. 'log:' .. append[1], append[3] .. '-' .. append[2], 'b', append[4])
end
-- Values are in a hash; the keys are in a sorted set as well, whose members are in order.
for _, change in ipairs(changes) do
  local records, keys = prefix .. 'records:' .. change[1], prefix .. 'keys:' .. change[1]
  if change[3] then
    if redis.call('HSET', records, change[2], change[3]) == 1 then
      redis.call('ZADD', keys, 0, change[2])
    end
  elseif redis.call('HDEL', records, change[2]) == 1 then
    redis.call('ZREM', keys, change[2])
  end
end
return 1
