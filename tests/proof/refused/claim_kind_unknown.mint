# error: [E0214] close_form
mint 1
layer Scale on Vec[D] ensures inverse close_form { map x -> x }
