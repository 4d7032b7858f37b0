from tests.chaos.torment import main

main()
