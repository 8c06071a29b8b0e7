// Sum over a workgroup of ROW_THREADS: one barrier instead of a tree, which software rasterizers pay for dearly.
const ROW_THREADS = 32u;
var<workgroup> partial_sums: array<f32, ROW_THREADS>;

fn workgroup_sum(value: f32, thread: u32) -> f32 {
  partial_sums[thread] = value;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < ROW_THREADS; i++) {
    sum += partial_sums[i];
  }
  return sum;
}
