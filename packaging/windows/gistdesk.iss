; Inno Setup 6: the installer for Windows, made from build\frozen\gistdesk. See packaging/README.md for the steps.
;     iscc /DVersion=0.1.0 packaging\windows\gistdesk.iss

#ifndef Version
  #error Give the version: iscc /DVersion=...
#endif

[Setup]
AppId={{6C0B2A53-0D0B-4C7E-9C57-7C2D6A1F6D11}
AppName=gistdesk
AppVersion={#Version}
AppPublisher=gistdesk contributors
DefaultDirName={autopf}\gistdesk
DefaultGroupName=gistdesk
; for the user who runs it: no administrator is asked for
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=dialog
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
DisableProgramGroupPage=yes
LicenseFile=..\..\LICENSE
SetupIconFile=..\..\build\icons\gistdesk.ico
UninstallDisplayIcon={app}\gistdesk.exe
OutputDir=..\..\dist
OutputBaseFilename=gistdesk-{#Version}-windows-x86_64-setup
Compression=lzma2/fast
SolidCompression=yes
ChangesAssociations=yes
CloseApplications=yes

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"
Name: "ko"; MessagesFile: "compiler:Languages\Korean.isl"

[CustomMessages]
en.Associate=Open .gistkv files with gistdesk
ko.Associate=.gistkv 파일을 gistdesk로 열기
en.GistFile=Compressed document of gistdesk
ko.GistFile=gistdesk 압축 문서
en.RemoveData=Remove your documents' gists, chats and settings, too? They cannot be brought back.
ko.RemoveData=압축한 문서, 대화, 설정도 함께 지울까요? 지우면 되돌릴 수 없습니다.

[Tasks]
Name: "desktopicon"; Description: "{cm:CreateDesktopIcon}"; Flags: unchecked
Name: "associate"; Description: "{cm:Associate}"

[Files]
Source: "..\..\build\frozen\gistdesk\*"; DestDir: "{app}"; Flags: recursesubdirs ignoreversion

[InstallDelete]
; what an older version had and this one has not
Type: filesandordirs; Name: "{app}\_internal"

[UninstallDelete]
; what a set-up of CUDA fetched is the program's, not the user's
Type: filesandordirs; Name: "{localappdata}\gistdesk\cuda"

[Icons]
Name: "{autoprograms}\gistdesk"; Filename: "{app}\gistdesk.exe"
Name: "{autodesktop}\gistdesk"; Filename: "{app}\gistdesk.exe"; Tasks: desktopicon

[Registry]
Root: HKA; Subkey: "Software\Classes\.gistkv\OpenWithProgids"; ValueType: string; ValueName: "gistdesk.gistkv"; ValueData: ""; Flags: uninsdeletevalue; Tasks: associate
Root: HKA; Subkey: "Software\Classes\gistdesk.gistkv"; ValueType: string; ValueData: "{cm:GistFile}"; Flags: uninsdeletekey; Tasks: associate
Root: HKA; Subkey: "Software\Classes\gistdesk.gistkv\DefaultIcon"; ValueType: string; ValueData: "{app}\gistdesk.exe,0"; Tasks: associate
Root: HKA; Subkey: "Software\Classes\gistdesk.gistkv\shell\open\command"; ValueType: string; ValueData: """{app}\gistdesk.exe"" ""%1"""; Tasks: associate

[Run]
Filename: "{app}\gistdesk.exe"; Description: "{cm:LaunchProgram,gistdesk}"; Flags: nowait postinstall skipifsilent

[Code]
{ Asked when it is removed by hand; a silent removal and an update keep everything. }
procedure CurUninstallStepChanged(Step: TUninstallStep);
begin
  if (Step = usPostUninstall) and not UninstallSilent then
    if DirExists(ExpandConstant('{localappdata}\gistdesk')) then
      if MsgBox(CustomMessage('RemoveData'), mbConfirmation, MB_YESNO or MB_DEFBUTTON2) = IDYES then
        DelTree(ExpandConstant('{localappdata}\gistdesk'), True, True, True);
end;
