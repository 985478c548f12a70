-- The sliding window of holdfast.rules.quota, with the same result for the same calls: the number of
-- the newest of 17 buckets, and their counts, the newest first, without the zeros at the end.
local BUCKETS, SLOTS, MOST = 16, 17, 4294967295

local function window(key, bucket)
  local state, counts, total = redis.call('GET', key), {}, 0
  local newest = state and struct.unpack('>I6', state) or bucket
  for slot = 1, SLOTS do
    local at = 3 + slot * 4
    counts[slot] = state and #state >= at + 3 and struct.unpack('>I4', state, at) or 0
    total = total + counts[slot]
  end
  local put_back = newest - bucket > BUCKETS
  if put_back then -- the clock was: all of it counts as spent just now
    newest, counts = bucket, {math.min(total, MOST)}
  end
  local passed, shifted = math.max(bucket - newest, 0), {}
  for slot = 1, SLOTS do
    shifted[slot] = counts[slot - passed] or 0
  end
  return newest + passed, shifted, put_back
end

local function leaves_at(bucket, period)
  return math.ceil((bucket + SLOTS) * period / BUCKETS)
end

local function wait(newest, counts, left, limit, period, now)
  if limit < 1 then
    return period
  end
  for age = SLOTS, 1, -1 do
    left = left - counts[age]
    if left < limit then
      return leaves_at(newest - age + 1, period) - now
    end
  end
  return period
end

local function keep(key, newest, counts, period)
  local last = SLOTS
  while last > 1 and counts[last] == 0 do
    last = last - 1
  end
  local state = struct.pack('>I6', newest)
  for slot = 1, last do
    state = state .. struct.pack('>I4', counts[slot])
  end
  redis.call('SET', key, state, 'PXAT', leaves_at(newest, period))
end

-- Spends one of `limit` per `period` ms: allowed (1 or 0), how many are left, ms to wait.
local function take(key, limit, period, now)
  local newest, counts, put_back = window(key, math.floor(now * BUCKETS / period))
  local spent = 0
  for slot = 1, SLOTS do
    spent = spent + counts[slot]
  end
  if spent >= limit or counts[1] == MOST then
    if put_back then
      keep(key, newest, counts, period)
    end
    return {0, 0, wait(newest, counts, spent, limit, period, now)}
  end
  counts[1] = counts[1] + 1
  keep(key, newest, counts, period)
  return {1, limit - spent - 1, 0}
end
