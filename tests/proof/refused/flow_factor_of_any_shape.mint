# error: [E0304] factor half
mint 1
flow F on S ensures invertible { factor half }
