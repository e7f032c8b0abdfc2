# error: [E0209] approximate
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
flow F on Vec[4] ensures invertible { A log_det approximate }
