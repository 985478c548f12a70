-- The sliding window of holdfast.rules.quota, with the same result for the same calls: the number of
-- the newest of 17 buckets, and their counts, the newest first, without the zeros at the end.
local BUCKETS, SLOTS, MOST = 16, 17, 4294967295

-- The newest bucket, the counts, their sum, whether that bucket is stored, and whether the clock was put back.
local function window(key, bucket)
  local state = redis.call('GET', key)
  if not state then
    return bucket, {0}, 0, false
  end
  local kept, total = math.min(math.floor((#state - 6) / 4), SLOTS), 0
  local newest = struct.unpack('>I6', state)
  local counts = {struct.unpack('>' .. ('I4'):rep(kept), state, 7)}
  counts[kept + 1] = nil -- where the unpacking ended
  for slot = 1, kept do
    total = total + counts[slot]
  end
  if newest - bucket > BUCKETS then -- all of it counts as spent just now
    total = math.min(total, MOST)
    return bucket, {total}, total, false, true
  end
  if newest >= bucket then
    return newest, counts, total, kept > 0
  end
  local passed, shifted = bucket - newest, {}
  total = 0
  for slot = 1, math.min(kept + passed, SLOTS) do
    shifted[slot] = counts[slot - passed] or 0
    total = total + shifted[slot]
  end
  return bucket, shifted, total, false
end

local function leaves_at(bucket, period)
  return math.ceil((bucket + SLOTS) * period / BUCKETS)
end

local function wait(newest, counts, left, limit, period, now)
  if limit < 1 then
    return period
  end
  for age = SLOTS, 1, -1 do
    left = left - (counts[age] or 0)
    if left < limit then
      return leaves_at(newest - age + 1, period) - now
    end
  end
  return period
end

local function keep(key, newest, counts, period)
  local last = #counts
  while last > 1 and counts[last] == 0 do
    last = last - 1
  end
  local state = struct.pack('>I6' .. ('I4'):rep(last), newest, unpack(counts, 1, last))
  redis.call('SET', key, state, 'PXAT', leaves_at(newest, period))
end

-- Spends one of `limit` per `period` ms: allowed (1 or 0), how many are left, ms to wait.
local function take(key, limit, period, now)
  local newest, counts, spent, stored, put_back = window(key, math.floor(now * BUCKETS / period))
  counts[1] = counts[1] or 0
  if spent >= limit or counts[1] == MOST then
    if put_back then
      keep(key, newest, counts, period)
    end
    return {0, 0, wait(newest, counts, spent, limit, period, now)}
  end
  counts[1] = counts[1] + 1
  if stored then -- in its place; when it ends has not changed
    redis.call('SETRANGE', key, 6, struct.pack('>I4', counts[1]))
  else
    keep(key, newest, counts, period)
  end
  return {1, limit - spent - 1, 0}
end
