<?php

final class BranchwardUserEditConduitAPIMethod extends ConduitAPIMethod {

  public function getAPIMethodName() {
    return 'branchward.user.edit';
  }

  public function getMethodDescription() {
    return pht(
      'Makes a user what is said; what is left out stays. Disabling comes '.
      'first. A former primary address is removed. "sshKeys" are all active '.
      'keys: a key that is left out is revoked, and Phabricator lets nobody '.
      'use it again.');
  }

  protected function defineParamTypes() {
    return array(
      'user' => 'required phid',
      'disabled' => 'optional bool',
      'approved' => 'optional bool',
      'userName' => 'optional string',
      'email' => 'optional string',
      'realName' => 'optional string',
      'vcsPassword' => 'optional string',
      'sshKeys' => 'optional list<string>',
    );
  }

  protected function defineReturnType() {
    return 'dict<string, wild>';
  }

  protected function defineErrorTypes() {
    return BranchwardConduit::getErrorTypes();
  }

  protected function execute(ConduitAPIRequest $request) {
    BranchwardConduit::requireAdmin($request);

    return BranchwardConduit::applyChange(
      function () use ($request) {
        $user = BranchwardConduit::loadUser($request->getValue('user'));
        $this->editTransactions($request, $user);
        $this->editRealName($request, $user);
        $this->editEmail($request, $user);
        $this->editPassword($request, $user);
        $this->editKeys($request, $user);
        return BranchwardConduit::loadUserDictionary($user->getPHID());
      });
  }

  private function editTransactions(
    ConduitAPIRequest $request,
    PhabricatorUser $user) {

    $types = array(
      'disabled' => PhabricatorUserDisableTransaction::TRANSACTIONTYPE,
      'approved' => PhabricatorUserApproveTransaction::TRANSACTIONTYPE,
      'userName' => PhabricatorUserUsernameTransaction::TRANSACTIONTYPE,
    );

    // One group each: a name that is refused must not keep a user enabled.
    foreach ($types as $key => $type) {
      $value = $request->getValue($key);
      if ($value === null || $value === $this->getValue($user, $key)) {
        continue;
      }
      $xaction = id(new PhabricatorUserTransaction())
        ->setTransactionType($type)
        ->setNewValue($value);
      BranchwardConduit::newEditor(
        new PhabricatorUserTransactionEditor(),
        $request)->applyTransactions($user, array($xaction));
    }
  }

  private function getValue(PhabricatorUser $user, $key) {
    switch ($key) {
      case 'disabled':
        return (bool)$user->getIsDisabled();
      case 'approved':
        return (bool)$user->getIsApproved();
      case 'userName':
        return $user->getUsername();
    }
  }

  private function editRealName(
    ConduitAPIRequest $request,
    PhabricatorUser $user) {

    $name = $request->getValue('realName');
    if ($name === null || $name === $user->getRealName()) {
      return;
    }
    if (strlen($name) && !PhabricatorUser::validateRealName($name)) {
      throw BranchwardConduit::newError(
        'ERR-BAD-VALUE',
        PhabricatorUser::describeValidRealName());
    }
    $user->setRealName($name)->save();
  }

  private function editEmail(
    ConduitAPIRequest $request,
    PhabricatorUser $user) {

    $address = $request->getValue('email');
    if ($address === null) {
      return;
    }
    $old = $user->loadPrimaryEmail();
    if ($old && $old->getAddress() === $address) {
      return;
    }

    $email = id(new PhabricatorUserEmail())->loadOneWhere(
      'address = %s',
      $address);
    if ($email && $email->getUserPHID() !== $user->getPHID()) {
      throw BranchwardConduit::newError(
        'ERR-TAKEN',
        pht('The address "%s" is taken.', $address));
    }
    if ($old && $email && $email->getID() === $old->getID()) {
      // The same address in other letter case.
      $old->setAddress($address)->save();
      return;
    }

    $editor = id(new PhabricatorUserEditor())->setActor($request->getUser());
    if (!$email) {
      $email = id(new PhabricatorUserEmail())
        ->setAddress($address)
        ->setIsVerified(1);
      $editor->addEmail($user, $email);
    } else if (!$email->getIsVerified()) {
      $editor->verifyEmail($user, $email);
    }
    $editor->changePrimaryEmail($user, $email);
    if ($old) {
      $editor->removeEmail($user, $old->reload());
    }
  }

  private function editPassword(
    ConduitAPIRequest $request,
    PhabricatorUser $user) {

    $password = $request->getValue('vcsPassword');
    if ($password === null) {
      return;
    }
    if (!strlen($password)) {
      throw BranchwardConduit::newError(
        'ERR-BAD-VALUE',
        pht('A password is not empty.'));
    }

    $type = PhabricatorAuthPassword::PASSWORD_TYPE_VCS;
    $record = id(new PhabricatorAuthPasswordQuery())
      ->setViewer(PhabricatorUser::getOmnipotentUser())
      ->withObjectPHIDs(array($user->getPHID()))
      ->withPasswordTypes(array($type))
      ->withIsRevoked(false)
      ->setLimit(1)
      ->executeOne();
    if (!$record) {
      $record = PhabricatorAuthPassword::initializeNewPassword($user, $type);
    }
    $record->setPassword(new PhutilOpaqueEnvelope($password), $user)->save();
  }

  private function editKeys(
    ConduitAPIRequest $request,
    PhabricatorUser $user) {

    $wanted = $request->getValue('sshKeys');
    if ($wanted === null) {
      return;
    }

    $new = array();
    foreach ($wanted as $text) {
      try {
        $key = PhabricatorAuthSSHPublicKey::newFromRawKey($text);
      } catch (Exception $ex) {
        throw BranchwardConduit::newError('ERR-BAD-VALUE', $ex->getMessage());
      }
      $new[$key->getHash()] = $text;
    }

    $present = id(new PhabricatorAuthSSHKeyQuery())
      ->setViewer(PhabricatorUser::getOmnipotentUser())
      ->withObjectPHIDs(array($user->getPHID()))
      ->withIsActive(true)
      ->execute();
    foreach ($present as $key) {
      $hash = $key->toPublicKey()->getHash();
      if (isset($new[$hash])) {
        unset($new[$hash]);
        continue;
      }
      $this->applyKey($request, $key, array(
        PhabricatorAuthSSHKeyTransaction::TYPE_DEACTIVATE => true,
      ));
    }

    foreach ($new as $hash => $text) {
      $key = PhabricatorAuthSSHKey::initializeNewSSHKey(
        BranchwardConduit::newActor(),
        $user);
      $this->applyKey($request, $key, array(
        PhabricatorAuthSSHKeyTransaction::TYPE_NAME => 'branchward',
        PhabricatorAuthSSHKeyTransaction::TYPE_KEY => $text,
      ));
    }
  }

  private function applyKey(
    ConduitAPIRequest $request,
    PhabricatorAuthSSHKey $key,
    array $values) {

    $xactions = array();
    foreach ($values as $type => $value) {
      $xactions[] = id(new PhabricatorAuthSSHKeyTransaction())
        ->setTransactionType($type)
        ->setNewValue($value);
    }
    BranchwardConduit::newEditor(
      id(new PhabricatorAuthSSHKeyEditor())->setIsAdministrativeEdit(true),
      $request)->applyTransactions($key, $xactions);
  }

}
