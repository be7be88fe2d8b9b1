def test_opens(watched) -> None:
    page = watched.open("/chapter/network")
    watched.ready()
    page.screenshot(path="/tmp/page/a.png", full_page=True)
