// `int4_scales` for devices without subgroups.
fn int4_scales_of_quad(index: u32, stride: u32, lane: u32) -> vec4<f32> {
  return int4_scales(index, stride);
}
