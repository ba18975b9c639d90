module spanlab

go 1.25
