# the flow between has no context, so the layer gets none
# error: [E0215] Shift
mint 1
layer Shift on S given y : S ensures invertible { map x -> x + y }
flow In on Vec[D] ensures invertible { Shift }
flow F on Vec[6] given y : Vec[6] ensures invertible { In  prior normal }
