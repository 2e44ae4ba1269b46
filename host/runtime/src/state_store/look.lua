-- What is under each key: {data, version, milliseconds left}. Without a version it was written by something else, and
-- is read as it is; a missing key is {false, false, -2}.
local found = {}
for place, key in ipairs(KEYS) do
    local kind = redis.call('TYPE', key).ok
    if kind == 'hash' then
        local fields = redis.call('HMGET', key, 'data', 'version')
        found[place] = {fields[1], fields[2], redis.call('PTTL', key)}
    elseif kind == 'string' then
        found[place] = {redis.call('GET', key), false, redis.call('PTTL', key)}
    elseif kind == 'none' then
        found[place] = {false, false, -2}
    else
        found[place] = {false, '0', -1}
    end
end
return found
