# error: [E0308] F
mint 1
flow F on Vec[3] ensures invertible { G }
flow G on Vec[3] ensures invertible { F }
