-- KEYS: the record, the epoch. Returns its value, or nothing. What every request asks for, so it does
-- without record.lua, which says what is read here: bytes 3 to 6 of a value are its epoch.
local value = redis.pcall('GETEX', KEYS[1], 'PERSIST') -- a write, which a replica refuses
if type(value) == 'table' then
  if not (value.err:find('MISCONF', 1, true) or value.err:find('NOREPLICAS', 1, true)) then
    return value
  end
  value = redis.call('GET', KEYS[1]) -- a primary that takes no writes may still be read
end
local epoch = tonumber(redis.call('GET', KEYS[2]) or 0)
if value and #value >= 66 and struct.unpack('>I4', value, 3) ~= epoch then
  return false
end
return value
