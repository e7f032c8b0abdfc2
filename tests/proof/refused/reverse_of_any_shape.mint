# error: [E0304] reverse
mint 1
flow F on S ensures invertible { reverse }
