// How a product of many rows is divided where lanes share what they load: a thread computes ROWS rows by 8 columns, the
// lanes of a subgroup the same rows.
fn first_row(workgroup: vec3<u32>, thread: u32) -> u32 {
  return workgroup.y * ROWS;
}

fn first_column(workgroup: vec3<u32>, thread: u32) -> u32 {
  return (workgroup.x * WORKGROUP + thread) * 8u;
}
