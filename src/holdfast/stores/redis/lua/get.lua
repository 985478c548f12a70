-- KEYS: the record, the epoch. Returns its value, or nothing. What every request asks for, so it does
-- without record.lua, which says what is read here: bytes 3 to 6 of a value are its epoch.
local value = redis.call('GET', KEYS[1])
local epoch = tonumber(redis.call('GET', KEYS[2]) or 0)
local refused = redis.pcall('PERSIST', KEYS[2]) -- as in require_primary
if type(refused) == 'table' and refused.err and refused.err:find('READONLY', 1, true) then
  return refused
end
if value and #value >= 66 and struct.unpack('>I4', value, 3) ~= epoch then
  return false
end
return value
