# error: [E0407] log(relu(x))
mint 1
layer A on Vec[D] { map x -> x + log(relu(x)) }
