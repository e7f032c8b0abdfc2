# error: [E0304] squeeze 2
mint 1
flow F on Vec[8] ensures invertible { squeeze 2 }
