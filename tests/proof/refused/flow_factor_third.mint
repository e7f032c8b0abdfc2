# error: [E0209] third
mint 1
flow F on Vec[6] ensures invertible { factor third }
