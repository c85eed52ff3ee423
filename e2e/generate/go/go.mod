module example.com/generated

go 1.18

require github.com/open-feature/go-sdk v1.14.1
