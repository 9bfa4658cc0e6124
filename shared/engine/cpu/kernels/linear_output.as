// Where the eight results of a panel go.

// Stores the results of weight rows `first` to `first + 7` for one activation row, or adds them.
@inline
export function put(op: usize, row: u32, first: u32, a: v128, b: v128): void {
  const outputs = load<u32>(op, 32);
  const y = load<usize>(op, 52) + (row * load<u32>(op, 56) + first) * 4;
  const isAdding = load<u32>(op, 60) != 0;
  if (first + 8 <= outputs) {
    if (isAdding) {
      v128.store(y, f32x4.add(v128.load(y), a));
      v128.store(y, f32x4.add(v128.load(y, 16), b), 16);
    } else {
      v128.store(y, a);
      v128.store(y, b, 16);
    }
    return;
  }
  putLanes(y, a, min<u32>(4, outputs - first), isAdding);
  if (first + 4 < outputs) putLanes(y + 16, b, outputs - first - 4, isAdding);
}

function putLanes(y: usize, v: v128, count: u32, isAdding: bool): void {
  putLane(y, f32x4.extract_lane(v, 0), isAdding);
  if (count > 1) putLane(y + 4, f32x4.extract_lane(v, 1), isAdding);
  if (count > 2) putLane(y + 8, f32x4.extract_lane(v, 2), isAdding);
  if (count > 3) putLane(y + 12, f32x4.extract_lane(v, 3), isAdding);
}

@inline
function putLane(y: usize, value: f32, isAdding: bool): void {
  store<f32>(y, isAdding ? load<f32>(y) + value : value);
}
