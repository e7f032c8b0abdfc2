# error: [E0304] patches 2
mint 1
flow F on Vec[8] ensures invertible { patches 2 }
