# error: [E0214] lip > 1
mint 1
layer Bad on Vec[D] ensures lip > 1 { map x -> x }
