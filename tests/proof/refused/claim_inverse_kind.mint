# error: [E0601] inverse closed_form
mint 1
layer Bend on Vec[D] ensures inverse closed_form { map x -> x + tanh(x) }
