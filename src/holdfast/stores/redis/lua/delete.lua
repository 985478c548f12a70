-- KEYS: the record, the epoch. ARGV: member, the version it must have or '', '1' if WAIT follows.
-- Returns 1, or 0 if the record is gone or changed.
local head = redis.call('GETRANGE', KEYS[1], 0, 81)
if ARGV[3] == '1' then
  prove()
else
  require_primary()
end
local damaged = head ~= '' and #head < HEAD
if not damaged and not alive(head) then
  return 0
end
if ARGV[2] ~= '' and head:sub(7, 14) ~= ARGV[2] then
  return 0
end
remove(ARGV[1], head)
return 1
