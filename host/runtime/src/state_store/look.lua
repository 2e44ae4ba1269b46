-- What is under each key: {data, version, when it ends in milliseconds since 1970}. Without a version it was written
-- by something else, and is read as it is; a missing key is {false, false, -2}.
local function end_of(key)
    local at = redis.pcall('PEXPIRETIME', key)
    if type(at) == 'number' then return at end
    -- Redis 6 has no such command.
    local left, now = redis.call('PTTL', key), redis.call('TIME')
    if left < 0 then return -1 end
    return now[1] * 1000 + math.floor(now[2] / 1000) + left
end
local found = {}
for place, key in ipairs(KEYS) do
    local kind = redis.call('TYPE', key).ok
    if kind == 'hash' then
        local fields = redis.call('HMGET', key, 'data', 'version')
        found[place] = {fields[1], fields[2], end_of(key)}
    elseif kind == 'string' then
        found[place] = {redis.call('GET', key), false, end_of(key)}
    elseif kind == 'none' then
        found[place] = {false, false, -2}
    else
        found[place] = {false, '0', -1}
    end
end
return found
