export async function bench(){}
